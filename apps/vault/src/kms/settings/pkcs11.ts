import { Secret } from '@keymesh/kernel';
import { integerVariable, secretFile } from '@keymesh/service-kit/task';
import { z } from 'zod';
import { settings, text } from './kms-settings.js';

const NAME_AND_VALUE = /^\w+=/;
const nameAndValue = (text: string): [string, string] => {
  const [name = '', ...value] = text.split('=');
  return [name, value.join('=')];
};

/** A token behind a PKCS#11 library. */
export const pkcs11 = settings({
  variables: {
    KEYMESH_KMS_PKCS11_MODULE: text("pkcs11: path of the maker's library, e.g. libsofthsm2.so."),
    KEYMESH_KMS_PKCS11_TOKEN_LABEL: text('pkcs11: label of the token.'),
    KEYMESH_KMS_PKCS11_SLOT: integerVariable(0, Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('pkcs11: slot number, where two tokens have the same label.'),
    KEYMESH_KMS_PKCS11_KEY_LABEL: text('pkcs11: label of the AES-256 key.'),
    KEYMESH_KMS_PKCS11_PIN_FILE: secretFile('kms-pkcs11-pin')
      .optional()
      .describe('pkcs11: file with the PIN.'),
    KEYMESH_KMS_PKCS11_ENVIRONMENT: z
      .string()
      .refine((list) => list.split(',').every((one) => NAME_AND_VALUE.test(one)), {
        error: 'must be NAME=value, with a comma between several',
      })
      .transform((list) => Object.fromEntries(list.split(',').map(nameAndValue)))
      .optional()
      .describe(
        "pkcs11: variables that the maker's library reads, e.g. SOFTHSM2_CONF=/etc/softhsm2.conf; it then sees these alone. Absent: all of the vault's.",
      ),
  },
  toConfig: (variables, required) => ({
    kind: 'pkcs11' as const,
    module: required('KEYMESH_KMS_PKCS11_MODULE'),
    tokenLabel: required('KEYMESH_KMS_PKCS11_TOKEN_LABEL'),
    slot: variables.KEYMESH_KMS_PKCS11_SLOT,
    keyLabel: required('KEYMESH_KMS_PKCS11_KEY_LABEL'),
    environment: variables.KEYMESH_KMS_PKCS11_ENVIRONMENT,
    pin:
      variables.KEYMESH_KMS_PKCS11_PIN_FILE ??
      Secret.fromText(required('KEYMESH_KMS_PKCS11_PIN_FILE'), 'kms-pkcs11-pin'),
  }),
});
