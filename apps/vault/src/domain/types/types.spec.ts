import { describe, expect, it } from '@jest/globals';
import { CREDENTIAL_TYPES } from '@keymesh/contracts';
import { conformsAsCredentialType } from '../../../test/types/conformance.js';
import { credentialTypeOf, credentialTypes, describePlugin } from './index.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe('credential types', () => {
  it('are those of the contract', () => {
    expect(Object.keys(credentialTypes).sort()).toEqual([...CREDENTIAL_TYPES].sort());
    for (const [name, plugin] of Object.entries(credentialTypes)) expect(plugin.type).toBe(name);
  });

  it.each(['certificate', 'constructor', '', '__proto__'])(
    'do not include %p, and the refusal lists them',
    (type) => {
      expect(() => credentialTypeOf(type)).toThrow(code('CREDENTIAL_TYPE_UNKNOWN'));
      expect(() => credentialTypeOf(type)).toThrow(/api_key, .*generic\.$/);
    },
  );

  it('are told without their functions', () => {
    for (const plugin of Object.values(credentialTypes))
      expect(structuredClone(describePlugin(plugin))).toEqual(describePlugin(plugin));
  });
});

for (const plugin of Object.values(credentialTypes)) conformsAsCredentialType(plugin);
