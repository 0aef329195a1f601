import preset from '../../jest.preset.js';

export default { ...preset, displayName: 'anomaly-detector', rootDir: import.meta.dirname };
