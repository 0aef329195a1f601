import { existsSync, readdirSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { SERVICES } from '@keymesh/contracts';

const QUIET_MS = 800; // the compiler writes many files; wait until it has done
const NOT_IN_SERVICES = ['client', 'testing'];

/**
 * Watches the builds (`npm run dev`): a service's own build concerns it alone, a library's all five.
 * @returns stops watching.
 */
export function watchBuilds(root: string, onChange: (services: readonly string[]) => void): () => void {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const mark =
    (services: readonly string[]) =>
    (_: string, file: string | null): void => {
      if (file?.endsWith('.js') !== true) return;
      for (const service of services) changed.add(service);
      clearTimeout(timer);
      timer = setTimeout(() => {
        const now = SERVICES.filter((service) => changed.has(service));
        changed.clear();
        onChange(now);
      }, QUIET_MS);
    };
  const libraries = readdirSync(join(root, 'libs')).filter((library) => !NOT_IN_SERVICES.includes(library));
  const watchers: FSWatcher[] = [
    ...SERVICES.map((service) => ({ folder: join(root, 'apps', service, 'dist'), services: [service] })),
    ...libraries.map((library) => ({ folder: join(root, 'libs', library, 'dist'), services: SERVICES })),
  ]
    .filter(({ folder }) => existsSync(folder))
    .map(({ folder, services }) => watch(folder, { recursive: true }, mark(services)));
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
