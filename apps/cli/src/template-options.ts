import type { CredentialTemplate, RotationAdapter, TypeDescription } from '@keymesh/contracts';

/** What a template can fill in of a `store`. */
export interface TemplatedOptions {
  readonly type?: string;
  readonly provider?: string;
  readonly description?: string;
  readonly tag?: readonly string[];
  readonly generate?: boolean;
  readonly rotation?: RotationAdapter;
  readonly rotateEvery?: string;
  readonly rotationSetting?: readonly string[];
  readonly valueFile?: string;
}

/** The options as they were given, and from the template what was not. A value that is given is not generated. */
export function fillIn<Options extends TemplatedOptions>(
  options: Options,
  template: CredentialTemplate | undefined,
): Options & { readonly type: string } {
  const type = options.type ?? template?.type ?? 'api_key';
  if (template === undefined) return { ...options, type };
  const { provider, description, tags, rotation } = template;
  const filled: TemplatedOptions = {
    ...(provider === undefined ? {} : { provider }),
    ...(description === undefined ? {} : { description }),
    ...(tags.length === 0 ? {} : { tag: tags }),
    ...(template.generate && options.valueFile === undefined ? { generate: true } : {}),
    ...(rotation === undefined ? {} : { rotation: rotation.adapter }),
    ...(rotation?.intervalSeconds === undefined ? {} : { rotateEvery: String(rotation.intervalSeconds) }),
    ...(rotation?.settings === undefined
      ? {}
      : {
          rotationSetting: Object.entries(rotation.settings).map(([key, value]) => `${key}=${String(value)}`),
        }),
  };
  return { ...filled, ...options, type };
}

/** The type with what its template says of each part in place of the type's own words. */
export const withHints = (
  type: TypeDescription | undefined,
  template: CredentialTemplate | undefined,
): TypeDescription | undefined =>
  type === undefined || template === undefined
    ? type
    : {
        ...type,
        parts: type.parts.map((part) => ({
          ...part,
          summary: Object.hasOwn(template.hints, part.name)
            ? `${part.summary}: ${template.hints[part.name] ?? ''}`
            : part.summary,
        })),
      };
