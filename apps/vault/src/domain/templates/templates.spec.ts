import { describe, expect, it } from '@jest/globals';
import { credentialTemplate } from '@keymesh/contracts';
import { expectCode } from '@keymesh/testing';
import { makeTemplates, misfits, parseTemplates } from './index.js';

describe('the built-in templates', () => {
  const templates = makeTemplates().list();

  it.each(templates.map((template) => [template.name, template] as const))(
    '%s fits its type: its hints, its rotation, its generating',
    (_, template) => {
      expect(misfits(template)).toEqual([]);
      expect(credentialTemplate.parse(template)).toEqual(template);
    },
  );

  it('have each a name of their own', () => {
    expect(new Set(templates.map(({ name }) => name)).size).toBe(templates.length);
    expect(templates.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['aws', 'github', 'stripe', 'postgres', 'alpha_vantage']),
    );
  });
});

describe("an operator's templates", () => {
  const file = (...templates: object[]) => JSON.stringify({ templates });
  const own = { name: 'stripe', summary: 'Our Stripe.', type: 'api_key', tags: ['billing'] };

  it('stand beside the built-in ones, and in the place of one of the same name', () => {
    const { templates, problems } = parseTemplates(file(own));
    expect(problems).toEqual([]);
    expect(makeTemplates(templates).find('stripe')).toMatchObject({ origin: 'operator', tags: ['billing'] });
    expect(makeTemplates(templates).find('aws').origin).toBe('built-in');
    expect(() => makeTemplates(templates).find('none')).toThrow(
      expect.objectContaining({ code: 'TEMPLATE_NOT_FOUND' }),
    );
  });

  it.each([
    ['text that is no JSON', 'no', /the file/],
    ['an unknown field', file({ ...own, value: 'x' }), /templates → 0/],
    ['a name that is none', file({ ...own, name: 'No Name' }), /templates → 0 → name: lower-case/],
    ['an unknown type', file({ ...own, type: 'nonsense' }), /unknown type nonsense/],
    [
      'a hint for no part',
      file({ ...own, hints: { password: 'x' } }),
      /password, which is no part of api_key/,
    ],
    [
      'generating what only a provider issues',
      file({ ...own, type: 'aws_access_key', generate: true }),
      /cannot/,
    ],
    [
      'a rotation that does not fit',
      file({ ...own, type: 'generic', rotation: { adapter: 'postgres-role' } }),
      /does not fit/,
    ],
  ])('are refused with %s', (_, text, sentence) => {
    const { templates, problems } = parseTemplates(text);
    expect(templates).toEqual([]);
    expect(problems.join('; ')).toMatch(sentence);
  });

  it('never fail but with a coded failure', async () => {
    await expectCode(
      Promise.resolve().then(() => makeTemplates().find('__proto__')),
      'TEMPLATE_NOT_FOUND',
    );
  });
});
