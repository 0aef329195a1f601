import { describe, expect, it } from '@jest/globals';
import { makeMetrics } from './metrics.js';

describe('the metrics', () => {
  it('follow the naming convention, name the service, and come with those of the process', async () => {
    const metrics = makeMetrics('vault');
    metrics.operations.inc({ operation: 'retrieveCredential', outcome: 'success' });
    metrics.operationDuration.observe({ operation: 'retrieveCredential', outcome: 'success' }, 0.0004);
    const text = await metrics.registry.metrics();
    expect(text).toContain(
      'keymesh_operations_total{operation="retrieveCredential",outcome="success",service="vault"} 1',
    );
    expect(text).toMatch(
      /keymesh_operation_duration_seconds_bucket\{le="0.0005",service="vault",operation="retrieveCredential"/,
    );
    expect(text).toContain('process_cpu_seconds_total');
    const names = (await metrics.registry.getMetricsAsJSON())
      .map(({ name }) => name)
      .filter((name) => name.startsWith('keymesh_'));
    for (const name of names) expect(name).toMatch(/^keymesh_[a-z_]+_(total|seconds|records|version)$/);
  });
});
