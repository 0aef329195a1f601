import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  DEFAULT_RULE_SESSION_SECONDS,
  failure,
  identityRule,
  identityRuleId,
  type StatementOf,
} from '@keymesh/contracts';
import { z } from 'zod';

type Rule = NonNullable<StatementOf<'identity-rule.set'>['rule']>;

const MAX_FILE_CHARS = 32_768;

const ruleFile = z.looseObject({
  ruleId: identityRuleId,
  maxSessionSeconds: z.unknown().optional(),
  privileged: z.unknown().optional(),
  identity: z.looseObject({ authorityFile: z.string().optional() }),
});

/**
 * Reads an identity rule that somebody wrote. `identity.authorityFile` stands for the PEM file beside it.
 * @throws USAGE naming fields and rules, never what stands there.
 */
export async function readIdentityRule(
  path: string,
): Promise<{ readonly ruleId: string; readonly rule: Rule }> {
  const text = await read(path);
  const outer = ruleFile.safeParse(parse(text));
  if (!outer.success) throw unusable(outer.error);
  const { ruleId, identity, ...rest } = outer.data;
  const { authorityFile, ...proof } = identity;
  const authority =
    authorityFile === undefined ? {} : { authority: await read(resolve(dirname(path), authorityFile)) };
  const rule = identityRule.safeParse({
    maxSessionSeconds: DEFAULT_RULE_SESSION_SECONDS,
    privileged: false,
    ...rest,
    identity: { ...proof, ...authority },
  });
  if (!rule.success) throw unusable(rule.error);
  return { ruleId, rule: rule.data };
}

async function read(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text !== undefined && text.length <= MAX_FILE_CHARS) return text;
  throw failure('USAGE', { publicMessage: `The file ${path} cannot be read, or is larger than 32 KiB.` });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw failure('USAGE', { publicMessage: 'This is not an identity rule: it is not JSON.' });
  }
}

const unusable = (error: z.ZodError) =>
  failure('USAGE', {
    publicMessage: `This is not an identity rule. ${error.issues
      .slice(0, 5)
      .map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`)
      .join('; ')}.`,
  });
