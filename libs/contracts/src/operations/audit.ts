import { z } from 'zod';
import { defineRpc } from '../rpc.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** Ledger entries from an index on, in order. */
export const listAuditEvents = defineRpc({
  name: 'listAuditEvents',
  service: 'audit',
  noun: 'event',
  verb: 'list',
  request: z.strictObject({ fromIndex: z.int().min(0), limit: z.int().min(1).max(500).default(100) }),
  reply: z.strictObject({
    events: z.array(
      z.strictObject({
        index: z.int(),
        leafHash: hash,
        /** The exact leaf bytes: RFC 8785 JSON, UTF-8. */
        leaf: z.string(),
        /** Readable values beside the leaf (names and the salts of their commitments); may have been erased. */
        beside: z.record(z.string(), z.string()).nullable(),
      }),
    ),
    /** Size of the tree that the newest checkpoint signs. */
    treeSize: z.int(),
  }),
});

/** The newest signed checkpoint (C2SP signed note) and the key that verifies it. */
export const getCheckpoint = defineRpc({
  name: 'getCheckpoint',
  service: 'audit',
  noun: 'checkpoint',
  verb: 'get',
  request: z.strictObject({}),
  reply: z.strictObject({ checkpoint: z.string(), verifierKey: z.string() }),
});

export const proveInclusion = defineRpc({
  name: 'proveInclusion',
  service: 'audit',
  noun: 'proof',
  verb: 'inclusion',
  request: z.strictObject({ index: z.int().min(0), treeSize: z.int().min(1) }),
  reply: z.strictObject({ index: z.int(), treeSize: z.int(), leafHash: hash, hashes: z.array(hash) }),
});

export const proveConsistency = defineRpc({
  name: 'proveConsistency',
  service: 'audit',
  noun: 'proof',
  verb: 'consistency',
  request: z.strictObject({ fromSize: z.int().min(0), toSize: z.int().min(0) }),
  reply: z.strictObject({ fromSize: z.int(), toSize: z.int(), hashes: z.array(hash) }),
});
