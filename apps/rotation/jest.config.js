import preset from '../../jest.preset.js';

export default { ...preset, displayName: 'rotation', rootDir: import.meta.dirname };
