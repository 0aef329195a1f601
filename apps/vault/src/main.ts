import { runService } from '@keymesh/service-kit';
import { makeVaultService } from './vault.module.js';

await runService(makeVaultService());
