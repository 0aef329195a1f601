import { KIT, type ServiceDefinition, type ServiceKit } from '@keymesh/service-kit';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { makeAuditLog, type AuditOperations } from './audit-log.js';
import type { AuditConfig } from './config.js';
import { AuditController } from './transport/audit.controller.js';
import { LogFilesController } from './transport/log-files.controller.js';
import { AUDIT_OPERATIONS } from './transport/tokens.js';

/** Starts the ledger once the application is up, and stops it before journal, bus and database go. */
@Injectable()
class AuditLog implements OnApplicationBootstrap {
  readonly operations: AuditOperations;
  private readonly log: ReturnType<typeof makeAuditLog>;

  constructor(@Inject(KIT) kit: ServiceKit<AuditConfig>) {
    this.log = makeAuditLog(kit);
    this.operations = this.log.operations;
    kit.onShutdown('ledger', () => this.log.stop());
  }

  onApplicationBootstrap(): void {
    this.log.start();
  }
}

/** The audit service: journal → ledger → feed, and what can be asked of it. */
export const auditService = (config: () => AuditConfig): ServiceDefinition<AuditConfig> => ({
  name: 'audit',
  config,
  database: { schema: 'audit', entities: [] },
  controllers: [AuditController, LogFilesController],
  providers: [
    AuditLog,
    { provide: AUDIT_OPERATIONS, inject: [AuditLog], useFactory: (log: AuditLog) => log.operations },
  ],
});
