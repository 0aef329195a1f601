import { runService } from '@keymesh/service-kit';
import { SERVICE } from './rotation.module.js';

await runService(SERVICE);
