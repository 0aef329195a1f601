import { runService } from '@keymesh/service-kit';
import { auditService } from './audit.module.js';
import { readAuditConfig } from './config.js';

await runService(auditService(readAuditConfig));
