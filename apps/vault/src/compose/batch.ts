import { makeTemplates } from '../domain/templates/index.js';
import { makeBatchRetrieveCredentials } from '../operations/batch-retrieve-credentials.js';
import { makeBatchStoreCredentials } from '../operations/batch-store-credentials.js';
import { makeDescribeTemplate } from '../operations/describe-template.js';
import { makeExportCredentials } from '../operations/export-credentials.js';
import { makeImportCredentials } from '../operations/import-credentials.js';
import { makeListTemplates } from '../operations/list-templates.js';
import type { BatchOperations } from '../transport/operations.js';
import type { VaultPorts } from './ports.js';

/** Many credentials at once, in and out, and starting points for new ones. */
export function batchOperations(ports: VaultPorts): BatchOperations {
  const { serve, reveal, audited } = ports;
  const templates = { audited, templates: makeTemplates(ports.kit.config.templates) };
  // A batch is as many requests as it has items, for the rate limit.
  const itemsOf = ({ items }: { readonly items: readonly unknown[] }) => items.length;
  return {
    batchStoreCredentials: serve(makeBatchStoreCredentials(ports), itemsOf),
    batchRetrieveCredentials: serve(reveal(makeBatchRetrieveCredentials(ports)), itemsOf),
    importCredentials: serve(makeImportCredentials(ports), itemsOf),
    exportCredentials: serve(reveal(makeExportCredentials(ports))),
    listTemplates: serve(makeListTemplates(templates)),
    describeTemplate: serve(makeDescribeTemplate(templates)),
  };
}
