import { makeCheckQuality } from '../operations/check-quality.js';
import { makeDescribeType } from '../operations/describe-type.js';
import { makeListTypes } from '../operations/list-types.js';
import type { TypeOperations } from '../transport/operations.js';
import type { VaultPorts } from './ports.js';

/** What is known of credential types, and how good a value would be. */
export function typeOperations(ports: VaultPorts): TypeOperations {
  const { serve } = ports;
  return {
    listTypes: serve(makeListTypes()),
    describeType: serve(makeDescribeType(ports)),
    checkQuality: serve(makeCheckQuality(ports)),
  };
}
