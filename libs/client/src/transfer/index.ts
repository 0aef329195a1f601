export { decodeBundle, encodeBundle, type BundledCredential } from './bundle.js';
export { exportAll, type ExportOptions } from './export.js';
export {
  disposeEntries,
  sourceOf,
  type ImportEntry,
  type ImportProblem,
  type ParsedFile,
  type ParseFile,
  type ParseOptions,
} from './import-file.js';
export { importBundle, importEntries, type ImportOptions, type ImportReport } from './import.js';
export { parseCsv } from './parse-csv.js';
export { parseEnv } from './parse-env.js';
export { parseJson } from './parse-json.js';
export { makeIdentity, seal, unseal, type OpenWith, type SealFor } from './seal.js';
