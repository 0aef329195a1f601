import { describe, expect, it } from '@jest/globals';
import type { CredentialTemplate, TypeDescription } from '@keymesh/contracts';
import { fillIn, withHints, type TemplatedOptions } from './template-options.js';

const template: CredentialTemplate = {
  ...{
    name: 'db',
    summary: 'A database.',
    type: 'database',
    provider: 'postgres',
    tags: ['eu'],
    origin: 'operator',
  },
  generate: true,
  rotation: { adapter: 'postgres-role', intervalSeconds: 60, settings: { host: 'db', port: 5432 } },
  hints: { port: 'usually 5432' },
};

describe('a template', () => {
  it('fills in what was not given', () => {
    expect(fillIn({}, template)).toEqual({
      type: 'database',
      provider: 'postgres',
      tag: ['eu'],
      generate: true,
      rotation: 'postgres-role',
      rotateEvery: '60',
      rotationSetting: ['host=db', 'port=5432'],
    });
  });

  it('gives way to what was given; and a value that is given is not made', () => {
    const given: TemplatedOptions = {
      type: 'api_key',
      provider: 'x',
      tag: ['a'],
      valueFile: 'key.txt',
      rotateEvery: '5',
    };
    expect(fillIn(given, template)).toMatchObject(given);
    expect(fillIn(given, template).generate).toBeUndefined();
  });

  it('is not needed', () => {
    expect(fillIn({}, undefined)).toEqual({ type: 'api_key' });
  });

  it('says what it knows of a part beside what the type says', () => {
    const part = {
      name: 'port',
      summary: 'TCP port',
      secret: false,
      required: false,
      maxBytes: 5,
      format: 'port',
    } as const;
    const type = {
      type: 'database',
      parts: [part, { ...part, name: 'host', summary: 'host' }],
    } as unknown as TypeDescription;
    expect(withHints(type, template)?.parts.map(({ summary }) => summary)).toEqual([
      'TCP port: usually 5432',
      'host',
    ]);
    expect(withHints(undefined, template)).toBeUndefined();
  });
});
