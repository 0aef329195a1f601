import { z } from 'zod';
import { SERVICES, type ServiceName } from '../identity.js';
import { defineRpc, type RpcContract } from '../rpc.js';

/**
 * The service's channel keys now valid, as statements signed by the mesh key (so it needs no channel itself).
 * Every service answers it for itself.
 */
const describeChannelOf = (service: ServiceName) =>
  defineRpc({
    name: 'describeChannel',
    service,
    noun: 'channel',
    verb: 'describe',
    channel: 'none',
    request: z.strictObject({}),
    /** Newest first; the text form of `@keymesh/channel` ChannelKeyStatement. */
    reply: z.strictObject({ statements: z.array(z.string()) }),
  });

export type DescribeChannel = ReturnType<typeof describeChannelOf>;
export const describeChannel = Object.fromEntries(
  SERVICES.map((service) => [service, describeChannelOf(service)]),
) as Record<ServiceName, DescribeChannel>;

export const isDescribeChannel = (contract: RpcContract): boolean =>
  contract.noun === 'channel' && contract.verb === 'describe';
