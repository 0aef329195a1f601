import type { z } from 'zod';
import type { ServiceName } from './identity.js';
import { subjects } from './subjects.js';

/** One operation on the wire. Its `name` is also the file, spec, span and metric label of the operation. */
export interface RpcContract<Request extends z.ZodType = z.ZodType, Reply extends z.ZodType = z.ZodType> {
  /** camelCase verb and noun, e.g. `retrieveCredential`. */
  readonly name: string;
  readonly service: ServiceName;
  readonly noun: string;
  readonly verb: string;
  readonly request: Request;
  readonly reply: Reply;
  /** `required`: only through the channel (or a plain-reply principal in embedded mode). `none`: public data or signed by itself. */
  readonly channel: 'required' | 'none';
  /** Whether it changes something; then it is idempotent by (principal, request id). */
  readonly mutation: boolean;
}

export type RequestOf<C extends RpcContract> = z.output<C['request']>;
export type RequestInput<C extends RpcContract> = z.input<C['request']>;
export type ReplyOf<C extends RpcContract> = z.output<C['reply']>;

/** Declares an operation. */
export const defineRpc = <Request extends z.ZodType, Reply extends z.ZodType>(
  contract: Omit<RpcContract<Request, Reply>, 'channel' | 'mutation'> &
    Partial<Pick<RpcContract, 'channel' | 'mutation'>>,
): RpcContract<Request, Reply> => ({ channel: 'required', mutation: false, ...contract });

/** The subject on which `principal` asks for this operation. */
export const rpcSubject = (contract: RpcContract, principal: string): string =>
  subjects.rpc(principal, contract.service, contract.noun, contract.verb);
