import { failure } from '@keymesh/contracts';
import { z } from 'zod';

/** What the process got: `process.env`, or a map in a spec. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Turns the environment into a typed configuration.
 *
 * The schema is an object whose keys are the variables' names ({@link commonVariables} and the service's own), usually with
 * a `.transform` into the shape the service likes. A variable that is empty counts as absent. Deterministic, but for the files that
 * `*_FILE` variables name: they are read here, at once, into Secrets.
 * @throws CONFIG_INVALID that tells every problem at once: each variable's name and its rule, never what it holds.
 */
export function parseConfig<Schema extends z.ZodType>(schema: Schema, env: Environment): z.output<Schema> {
  const present = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const result = schema.safeParse(present, { reportInput: false });
  if (result.success) return result.data;
  const problems = [...new Set(result.error.issues.flatMap(describeIssue))].sort();
  throw failure('CONFIG_INVALID', {
    publicMessage: `The configuration is not valid. ${problems.join('; ')}.`,
    details: { problems },
  });
}

// INVARIANT: zod's own texts may quote what they received; only names and rules go out.
function describeIssue(issue: z.core.$ZodIssue): string[] {
  const name = String(issue.path[0] ?? 'environment');
  switch (issue.code) {
    case 'invalid_union':
      return issue.errors.length === 0
        ? [`${name}: must be one of the choices in the reference of configuration`]
        : issue.errors
            .flat()
            .flatMap((inner) => describeIssue({ ...inner, path: [...issue.path, ...inner.path] }));
    case 'invalid_type':
      return [
        `${name}: ${issue.input === undefined ? `is required (${issue.expected})` : `must be ${issue.expected}`}`,
      ];
    case 'invalid_value':
      return [`${name}: must be one of ${issue.values.map(String).join(', ')}`];
    case 'too_small':
      return [`${name}: at least ${String(issue.minimum)}`];
    case 'too_big':
      return [`${name}: at most ${String(issue.maximum)}`];
    case 'custom':
      return [`${name}: ${issue.message}`];
    case 'invalid_format':
      return [`${name}: must be a ${issue.format}`];
    default:
      return [`${name}: is not valid`];
  }
}
