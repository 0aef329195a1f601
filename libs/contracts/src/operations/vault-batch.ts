import { z } from 'zod';
import { ERROR_CATALOGUE, type ErrorCode } from '../error-catalogue.js';
import { defineRpc } from '../rpc.js';
import {
  credentialMetadata,
  credentialName,
  finding,
  rotationSettings,
  SENSITIVITIES,
} from '../credential-shapes.js';
import { retrieveCredential, storeCredential } from './vault.js';

/** How many items one request may have; and like every message it has at most 900 KiB. */
export const MAX_BATCH_ITEMS = { store: 250, retrieve: 100 } as const;

// A name that is not one is the failure of its item, not of the whole request.
const anyName = z.string().max(1024);

/** What became of an item that failed: what the single operation would have answered. */
const failedItem = z.strictObject({
  outcome: z.literal('failed'),
  error: z.strictObject({
    code: z.enum(Object.keys(ERROR_CATALOGUE) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    retryable: z.boolean(),
    findings: z.array(finding).optional(),
  }),
});
export type FailedItem = z.output<typeof failedItem>;

const storeResults = z.array(
  z.discriminatedUnion('outcome', [
    z.strictObject({ outcome: z.literal('stored'), ...storeCredential.reply.shape }),
    z.strictObject({
      /** Of a dry run: it would be stored. */
      outcome: z.literal('accepted'),
      /** False: it would be the next version of what is there. */
      created: z.boolean(),
      findings: z.array(finding),
    }),
    z.strictObject({
      /** Left alone: it is there already (`exists`), or another item failed (`atomic`). */
      outcome: z.literal('skipped'),
      reason: z.enum(['exists', 'atomic']),
    }),
    failedItem,
  ]),
);
export type StoreItemResult = z.output<typeof storeResults>[number];

/** An item of a batch: what a single store takes. */
export const storeItem = z.strictObject({ ...storeCredential.request.shape, name: anyName });
export type StoreItem = z.output<typeof storeItem>;

/**
 * Stores many credentials by the rules of a single store each, in one transaction. Without `atomic` the valid ones are stored and the
 * others reported; with it either all are stored or none. A name may be in it once. `results` are in the order of `items`.
 */
export const batchStoreCredentials = defineRpc({
  name: 'batchStoreCredentials',
  service: 'vault',
  noun: 'credential',
  verb: 'batch-store',
  mutation: true,
  request: z.strictObject({
    items: z.array(storeItem).min(1).max(MAX_BATCH_ITEMS.store, 'BATCH_TOO_LARGE'),
    atomic: z.boolean().default(false),
    /** Checks everything and stores nothing. */
    dryRun: z.boolean().default(false),
  }),
  reply: z.strictObject({ results: storeResults }),
});

/**
 * Values of many credentials, by the rules of a single retrieve each: denied and missing look alike. `results` are in the order of
 * `items`. What does not fit into one answer of 900 KiB fails with PAYLOAD_TOO_LARGE: ask for it again. An item that is asked for twice is
 * released, and recorded, once.
 */
export const batchRetrieveCredentials = defineRpc({
  name: 'batchRetrieveCredentials',
  service: 'vault',
  noun: 'credential',
  verb: 'batch-retrieve',
  request: z.strictObject({
    items: z
      .array(z.strictObject({ ...retrieveCredential.request.shape, name: anyName }))
      .min(1)
      .max(MAX_BATCH_ITEMS.retrieve, 'BATCH_TOO_LARGE'),
  }),
  reply: z.strictObject({
    results: z.array(
      z.discriminatedUnion('outcome', [
        z.strictObject({ outcome: z.literal('retrieved'), ...retrieveCredential.reply.shape }),
        failedItem,
      ]),
    ),
  }),
});

/** What an export says of a credential, beside its value: what an import can give back. As its owner set it, not as the policy fills it in. */
export const exportedCredential = z.strictObject({
  name: credentialName,
  type: credentialMetadata.shape.type,
  version: z.int(),
  provider: z.string().optional(),
  description: z.string().optional(),
  label: z.string().optional(),
  tags: z.array(z.string()).optional(),
  sensitivity: z.enum(SENSITIVITIES).optional(),
  rotation: rotationSettings.optional(),
  expiresAt: z.iso.datetime().optional(),
});
export type ExportedCredential = z.output<typeof exportedCredential>;

/**
 * What the caller may export (and retrieve), by name, a page at a time. Recorded with its count before it is answered, and so before any
 * of the values, which are then asked for by batchRetrieveCredentials, can leave.
 */
export const exportCredentials = defineRpc({
  name: 'exportCredentials',
  service: 'vault',
  noun: 'credential',
  verb: 'export',
  request: z.strictObject({
    namespace: z.string().max(512).optional(),
    pageSize: z.int().min(1).max(500).default(200),
    /** The last name of the page before. */
    after: credentialName.optional(),
  }),
  reply: z.strictObject({
    credentials: z.array(exportedCredential),
    /** Of all pages; only with the first one. */
    total: z.int().nullable(),
    more: z.boolean(),
  }),
});

export const ON_CONFLICT = ['fail', 'skip', 'new-version'] as const;
export type OnConflict = (typeof ON_CONFLICT)[number];
export const IMPORT_SOURCES = ['bundle', 'env', 'json', 'csv'] as const;
export type ImportSource = (typeof IMPORT_SOURCES)[number];

const { expectedVersion: _, generate: __, ...importedFields } = storeItem.shape;
export const importItem = z.strictObject(importedFields);
export type ImportItem = z.output<typeof importItem>;

/** As batchStoreCredentials, for who may import, and with a word on names that are there already. */
export const importCredentials = defineRpc({
  name: 'importCredentials',
  service: 'vault',
  noun: 'credential',
  verb: 'import',
  mutation: true,
  request: z.strictObject({
    items: z.array(importItem).min(1).max(MAX_BATCH_ITEMS.store, 'BATCH_TOO_LARGE'),
    onConflict: z.enum(ON_CONFLICT).default('fail'),
    atomic: z.boolean().default(false),
    dryRun: z.boolean().default(false),
    /** Of what kind the file was, for the audit record. */
    source: z.enum(IMPORT_SOURCES),
  }),
  reply: z.strictObject({ results: storeResults }),
});

/** A named starting point for a credential. Holds no value. */
export const credentialTemplate = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'lower-case letters, digits, - and _'),
  /** One sentence. */
  summary: z.string().max(256),
  type: z.string().max(64),
  provider: z.string().max(128).optional(),
  description: z.string().max(1024).optional(),
  tags: z.array(z.string().max(64)).max(32).default([]),
  rotation: rotationSettings.optional(),
  /** Whether the vault makes the secret part rather than asking for it. */
  generate: z.boolean().default(false),
  /** What to tell who is asked for a part: where to find it, what it looks like. */
  hints: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/), z.string().max(256)).default({}),
  origin: z.enum(['built-in', 'operator']).default('operator'),
});
export type CredentialTemplate = z.output<typeof credentialTemplate>;

/** The templates that this mesh has: the built-in ones and its operators' own. */
export const listTemplates = defineRpc({
  name: 'listTemplates',
  service: 'vault',
  noun: 'template',
  verb: 'list',
  request: z.strictObject({}),
  reply: z.strictObject({ templates: z.array(credentialTemplate) }),
});

/** @throws TEMPLATE_NOT_FOUND */
export const describeTemplate = defineRpc({
  name: 'describeTemplate',
  service: 'vault',
  noun: 'template',
  verb: 'describe',
  request: z.strictObject({ name: z.string().max(64) }),
  reply: credentialTemplate,
});
