export { HASH_BYTES, EMPTY_ROOT, hashLeaf, hashNode, sameHash } from './hashing.js';
export { type CompactRange, EMPTY_RANGE, appendLeafHash, rootOf, rootOfLeaves } from './compact-range.js';
export {
  type TileCoordinate,
  type TileResource,
  TILE_WIDTH,
  tileWidth,
  tilePath,
  parseTilePath,
} from './tiles.js';
export { MAX_ENTRY_BYTES, encodeEntryBundle, decodeEntryBundle } from './entry-bundle.js';
export {
  type ChangedTile,
  type ReadTile,
  type TreeEdge,
  EMPTY_EDGE,
  loadEdge,
  appendToTree,
  rootOfEdge,
} from './tree-builder.js';
export { makeInclusionProof, makeConsistencyProof, rootAtSize } from './make-proof.js';
export {
  type ConsistencyClaim,
  type InclusionClaim,
  type ProofFailure,
  type ProofVerification,
  verifyInclusion,
  verifyConsistency,
} from './verify-proof.js';
export { type Checkpoint, checkpointText, parseCheckpoint } from './checkpoint.js';
export {
  type NoteFailure,
  type NoteVerifier,
  type OpenedNote,
  noteVerifierOf,
  parseNoteVerifier,
  signNote,
  openNote,
} from './note.js';
export { type LogCheck, type LogToVerify, type LogVerification, verifyLog } from './verify-log.js';
export { type LogProblem, type StoredEntry, type StoredLog, fsckTree } from './fsck.js';
