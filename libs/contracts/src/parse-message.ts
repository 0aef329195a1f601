import { z } from 'zod';
import { isErrorCode } from './error-catalogue.js';
import { failure } from './errors.js';

const MAX_PROBLEMS = 5;

/** Validates with a contract's schema. @throws BAD_REQUEST naming fields and rules, never values; or the field's own code. */
export function parseMessage<T extends z.ZodType>(schema: T, message: unknown): z.output<T> {
  const result = schema.safeParse(message);
  if (result.success) return result.data;
  // A field that has a code of its own says so by its schema's message.
  const own = result.error.issues.find(({ message: text }) => isErrorCode(text));
  if (own !== undefined && isErrorCode(own.message)) throw failure(own.message);
  const problems = result.error.issues
    .slice(0, MAX_PROBLEMS)
    .map((issue) => `${describePath(schema, issue.path)}: ${describeIssue(issue)}`);
  throw failure('BAD_REQUEST', { publicMessage: `The request is not valid. ${problems.join('; ')}.` });
}

/**
 * Names the place by the schema's own words.
 * INVARIANT: a name that the sender chose (a key of a record, an unknown field) is never repeated: people put secrets there by mistake.
 */
function describePath(schema: z.core.$ZodType, path: readonly PropertyKey[]): string {
  const names: string[] = [];
  let at: z.core.$ZodType | undefined = schema;
  for (const segment of path) {
    at = unwrap(at);
    if (at instanceof z.ZodObject) {
      const shape = at.shape as Readonly<Record<PropertyKey, z.core.$ZodType>>;
      at = Object.hasOwn(shape, segment) ? shape[segment] : undefined;
      if (at !== undefined) names.push(String(segment));
    } else if (at instanceof z.ZodArray && typeof segment === 'number') {
      at = at.element;
      names.push(String(segment));
    } else {
      names.push('*');
      at = at instanceof z.ZodRecord ? at.valueType : undefined;
    }
    if (at === undefined) break;
  }
  return names.join('.') || 'message';
}

function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodDefault) {
    inner = inner.unwrap();
  }
  return inner;
}

// zod's texts may quote what was received, or unrecognised key names; only rules may be told.
function describeIssue(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${issue.expected}`;
    case 'unrecognized_keys':
      return 'has a field that this operation does not take';
    case 'too_big':
      return `at most ${String(issue.maximum)}`;
    case 'too_small':
      return `at least ${String(issue.minimum)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'custom':
    case 'invalid_format':
      return issue.message;
    default:
      return 'is not valid';
  }
}
