import preset from '../../jest.preset.js';

export default { ...preset, displayName: 'channel', rootDir: import.meta.dirname };
