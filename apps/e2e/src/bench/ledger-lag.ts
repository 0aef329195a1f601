import { setTimeout as wait } from 'node:timers/promises';

const PATIENCE_MS = 120_000;

/** Records in the journal that are not in the ledger yet. */
export async function ledgerLag(httpPort: number): Promise<number> {
  const groups = (await (await fetch(`http://127.0.0.1:${httpPort}/metrics/targets`)).json()) as {
    targets: string[];
    labels: Record<string, string>;
  }[];
  const audit = groups.find(({ labels }) => labels.service === 'audit')?.targets[0];
  const page = audit === undefined ? '' : await (await fetch(`http://${audit}/metrics`)).text();
  return Number(/^keymesh_ledger_lag_records(?:\{[^}]*\})? (\S+)$/m.exec(page)?.[1] ?? NaN);
}

/** Waits until the ledger has caught up. @returns seconds that it took. */
export async function untilLedgered(httpPort: number): Promise<number> {
  const startedAt = performance.now();
  while ((await ledgerLag(httpPort)) > 0 && performance.now() - startedAt < PATIENCE_MS) await wait(100);
  return (performance.now() - startedAt) / 1_000;
}
