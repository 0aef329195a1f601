import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import type { Metrics } from '../telemetry/metrics.js';
import { HEALTH, METRICS } from '../tokens.js';
import type { HealthRegistry, HealthReport } from './health-registry.js';

interface HttpReply {
  status(code: number): unknown;
}

/** What an operator's tools ask over loopback HTTP. Holds facts and numbers only. */
@Controller()
export class HealthController {
  constructor(
    @Inject(HEALTH) private readonly health: HealthRegistry,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  /** 200 as long as the process answers. */
  @Get('health/live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** 200 `{status, checks}` when the service can do its work (perhaps degraded), 503 otherwise. */
  @Get('health/ready')
  async ready(@Res({ passthrough: true }) reply: HttpReply): Promise<HealthReport> {
    const report = await this.health.report();
    reply.status(report.status === 'down' ? 503 : 200);
    return report;
  }

  @Get('metrics')
  @Header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  async scrape(): Promise<string> {
    return await this.metrics.registry.metrics();
  }
}
