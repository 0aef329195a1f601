import preset from '../../jest.preset.js';

export default { ...preset, displayName: 'mesh', rootDir: import.meta.dirname };
