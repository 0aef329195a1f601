import { toPublicError } from '@keymesh/contracts';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { AuditOperations } from '../audit-log.js';
import { AUDIT_OPERATIONS } from './tokens.js';

interface HttpRequest {
  readonly path: string;
}
interface HttpReply {
  status(code: number): HttpReply;
  set(headers: Readonly<Record<string, string>>): HttpReply;
  send(body: string | Buffer): unknown;
}

/**
 * The log as static files (C2SP tlog-tiles), beside /metrics on loopback: monitors of other makes can follow it. Public to whoever
 * reaches that port: leaves hold ids and commitments, no name, personal field or value.
 */
@Controller()
export class LogFilesController {
  constructor(@Inject(AUDIT_OPERATIONS) private readonly operations: Pick<AuditOperations, 'readLogFile'>) {}

  @Get(['checkpoint', 'tile/*path'])
  async read(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    try {
      const file = await this.operations.readLogFile(request.path.slice(1));
      if (file === undefined) {
        reply.status(404).send('There is no such file of the log (yet).\n');
        return;
      }
      const caching = file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache';
      reply.set({ 'Content-Type': file.contentType, 'Cache-Control': caching }).send(Buffer.from(file.body));
    } catch (error) {
      reply.status(503).send(`${toPublicError(error).message}\n`);
    }
  }
}
