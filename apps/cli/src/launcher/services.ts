import { SERVICES, type ServiceName } from '@keymesh/contracts';
import type { LauncherConfig } from './config.js';
import type { Home } from './home.js';
import { makeKeeper, type Keeper } from './keeper.js';
import { serviceEnvironment, type Places } from './service-environment.js';
import { runService } from './service-process.js';
import { programOf } from './task.js';

const CONFIG_INVALID_EXIT = 2;

export interface ServicesStep {
  readonly config: LauncherConfig;
  readonly home: Home;
  readonly places: Places;
  readonly warn: (text: string) => void;
}

/** A keeper for each of the five services; none is started. */
export const makeServiceKeepers = (step: ServicesStep): Record<ServiceName, Keeper> =>
  Object.fromEntries(SERVICES.map((service) => [service, makeServiceKeeper(service, step)])) as Record<
    ServiceName,
    Keeper
  >;

function makeServiceKeeper(service: ServiceName, { config, home, places, warn }: ServicesStep): Keeper {
  return makeKeeper({
    name: service,
    say: warn,
    isFinal: ({ code }) => code === CONFIG_INVALID_EXIT,
    start: () =>
      runService({
        service,
        program: programOf(config, service, 'main'),
        env: serviceEnvironment(service, config, home, places),
        home,
        onWarning: warn,
      }),
  });
}
