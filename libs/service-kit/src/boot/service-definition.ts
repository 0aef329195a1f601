import type { ServiceName } from '@keymesh/contracts';
import type { Entity } from '@keymesh/postgres';
import type { ModuleMetadata } from '@nestjs/common';
import type { ChannelKeyProvider } from '../channel/channel-key-provider.js';
import type { CommonConfig } from '../config/common-config.js';
import type { PolicyHolder } from '../policy/policy-holder.js';
import type { ServiceKit } from '../tokens.js';

/** What of the kit is there when the policy holder is made. */
export type PolicyHookKit<Config extends CommonConfig> = Omit<
  ServiceKit<Config>,
  'policy' | 'journal' | 'caller' | 'channelKeys'
>;
/** What of the kit is there when the channel keys are made. */
export type ChannelKeysHookKit<Config extends CommonConfig> = Omit<ServiceKit<Config>, 'channelKeys'>;

/** One service of the mesh, as `main.ts` writes it. */
export interface ServiceDefinition<Config extends CommonConfig> extends Pick<
  ModuleMetadata,
  'imports' | 'providers' | 'controllers'
> {
  readonly name: ServiceName;
  /** Reads the environment: `() => parseConfig(vaultConfig, process.env)` in the service's config.ts. Called once, first of all. */
  readonly config: () => Config;
  readonly database: {
    /** The service's own schema, e.g. `anomaly_detector`. */
    readonly schema: string;
    readonly entities: readonly Entity[];
    readonly poolSize?: number;
  };
  /** Only the policy service: supplies the holder, because it makes the bundles itself. Default: {@link openFlooredPolicy}. */
  readonly policy?: (kit: PolicyHookKit<Config>) => PolicyHolder | Promise<PolicyHolder>;
  /** Only the vault: it certifies its own keys. Default: `certifiedChannelKeys`, asking the vault. */
  readonly channelKeys?: (
    kit: ChannelKeysHookKit<Config>,
  ) => ChannelKeyProvider | Promise<ChannelKeyProvider>;
}
