import type { listTypes } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { credentialTypes, describePlugin } from '../domain/types/index.js';

/**
 * What credential types there are, for everybody who is in the mesh. Facts of the program that docs/reference/credential-types.md has as
 * well: nothing of the mesh is told, so nothing is recorded, and it answers while the journal is away. Never throws.
 */
export const makeListTypes = (): Handler<typeof listTypes> => () =>
  Promise.resolve({ types: Object.values(credentialTypes).map(describePlugin) });
