import { z } from 'zod';
import { defineRpc } from '../rpc.js';
import { credentialName, ROTATION_ADAPTERS } from '../credential-shapes.js';

export const ROTATION_STATES = ['create', 'set', 'test', 'finish', 'rollback', 'done', 'failed'] as const;
export type RotationState = (typeof ROTATION_STATES)[number];

export const rotationSummary = z.strictObject({
  rotationId: z.uuid(),
  credentialId: z.uuid(),
  adapter: z.enum(ROTATION_ADAPTERS),
  /** The step that runs next; `done` and `failed` are final. */
  state: z.enum(ROTATION_STATES),
  version: z.int().nullable(),
  reason: z.string().nullable(),
  startedBy: z.string(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});
export type RotationSummary = z.output<typeof rotationSummary>;

/** Rotates now. Answers when the rotation is done or has failed, or with its state so far at half the deadline. */
export const rotateCredential = defineRpc({
  name: 'rotateCredential',
  service: 'rotation',
  noun: 'credential',
  verb: 'rotate',
  mutation: true,
  request: z.strictObject({ name: credentialName }),
  reply: rotationSummary.extend({ name: credentialName }),
});

export const listRotations = defineRpc({
  name: 'listRotations',
  service: 'rotation',
  noun: 'rotation',
  verb: 'list',
  request: z.strictObject({ name: credentialName.optional(), limit: z.int().min(1).max(200).default(50) }),
  reply: z.strictObject({ rotations: z.array(rotationSummary) }),
});
