import { runService } from '@keymesh/service-kit';
import { SERVICE } from './anomaly-detector.module.js';

await runService(SERVICE);
