import { runService } from '@keymesh/service-kit';
import { readPolicyConfig } from './config.js';
import { policyService } from './policy.module.js';

await runService(policyService(readPolicyConfig));
