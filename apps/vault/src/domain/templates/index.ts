import { credentialTemplate, failure, type CredentialTemplate } from '@keymesh/contracts';
import { z } from 'zod';
import { credentialTypes } from '../types/index.js';
import type { CredentialTypePlugin } from '../types/plugin.js';
import { BUILT_IN_TEMPLATES } from './built-in.js';

/** The templates of this vault by name: the built-in ones, and an operator's own, which take their place where they have the same name. */
export interface Templates {
  list(): readonly CredentialTemplate[];
  /** @throws TEMPLATE_NOT_FOUND */
  find(name: string): CredentialTemplate;
}

export function makeTemplates(own: readonly CredentialTemplate[] = []): Templates {
  const builtIn = BUILT_IN_TEMPLATES.map((template): CredentialTemplate => ({
    generate: false,
    hints: {},
    tags: [],
    ...template,
    origin: 'built-in',
  }));
  const byName = new Map([...builtIn, ...own].map((template) => [template.name, template]));
  const sorted = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    list: () => sorted,
    find(name) {
      const template = byName.get(name);
      if (template === undefined) throw failure('TEMPLATE_NOT_FOUND');
      return template;
    },
  };
}

const templatesFile = z.strictObject({
  templates: z.array(credentialTemplate.omit({ origin: true })).max(1_000, 'has more than 1000 templates'),
});

/**
 * Reads an operator's templates: JSON, `{"templates": [{"name": …, "summary": …, "type": …}]}`.
 * @returns a sentence for each thing that is wrong; then there are no templates.
 */
export function parseTemplates(text: string): {
  readonly templates: readonly CredentialTemplate[];
  readonly problems: readonly string[];
} {
  const parsed = templatesFile.safeParse(jsonOf(text));
  if (!parsed.success) {
    return {
      templates: [],
      problems: parsed.error.issues.map(
        ({ path, message }) => `${path.map(String).join(' → ') || 'the file'}: ${message}`,
      ),
    };
  }
  const templates = parsed.data.templates.map((template) => ({ ...template, origin: 'operator' as const }));
  const problems = templates.flatMap((template) =>
    misfits(template).map((problem) => `the template ${template.name} ${problem}`),
  );
  return problems.length === 0 ? { templates, problems } : { templates: [], problems };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Where a template asks for what its type does not have. */
export function misfits({ type, rotation, generate, hints }: CredentialTemplate): string[] {
  const plugin: CredentialTypePlugin | undefined = Object.hasOwn(credentialTypes, type)
    ? credentialTypes[type as keyof typeof credentialTypes]
    : undefined;
  if (plugin === undefined) return [`is of the unknown type ${type}`];
  const foreign = Object.keys(hints).filter((part) => !plugin.parts.some(({ name }) => name === part));
  return [
    ...foreign.map((part) => `has a hint for ${part}, which is no part of ${type}`),
    ...(generate && plugin.generate === undefined ? [`generates, which ${type} cannot`] : []),
    ...(rotation !== undefined && !plugin.rotationAdapters.includes(rotation.adapter)
      ? [`rotates by ${rotation.adapter}, which does not fit ${type}`]
      : []),
  ];
}
