import { makeRandomValue } from '@keymesh/crypto';
import { MAX_VALUE_BYTES } from '@keymesh/contracts';
import type { CredentialTypePlugin } from './plugin.js';

export const generic: CredentialTypePlugin = {
  type: 'generic',
  summary: 'Any bytes. Nothing is asked of them but that there are some.',
  parts: [
    {
      name: 'value',
      summary: 'the bytes',
      secret: true,
      required: true,
      maxBytes: MAX_VALUE_BYTES,
      format: 'bytes',
    },
  ],
  primaryPart: 'value',
  policy: { maxAgeDays: null },
  generates: ['value'],
  generate: ({ lengthChars }) => ({ value: makeRandomValue(lengthChars) }),
  compress: false,
  rotationAdapters: ['generated'],
};
