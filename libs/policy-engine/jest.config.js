import preset from '../../jest.preset.js';

export default { ...preset, displayName: 'policy-engine', rootDir: import.meta.dirname };
