import preset from '../../jest.preset.js';

export default { ...preset, displayName: 'transparency-log', rootDir: import.meta.dirname };
