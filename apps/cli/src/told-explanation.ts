import { explainDecision, findDecision, type ReplyOf } from '@keymesh/contracts';
import { note, print } from './output.js';

type Explained = ReplyOf<typeof explainDecision>;
/** As the audit log has it. */
export type RecordedDecision = ReplyOf<typeof findDecision>['decision'];

/** Why, as a person reads it. @param name of the resource, where the reader knows it @param recorded what was decided then */
export function tellExplanation(
  { decision, policies, attributes, wouldPermit }: Explained,
  { name, recorded }: { readonly name: string | null; readonly recorded?: RecordedDecision },
): void {
  const { effect, bundleVersion, errors, request } = decision;
  const { principal, action, resource } = request;
  print(
    `${effect}: ${principal.name} (${principal.roles.join(', ') || 'no roles'}) ${action} ${name ?? `${resource.kind} ${resource.id}`}, by bundle ${String(bundleVersion)}`,
  );
  for (const error of errors) print(`error: ${error}`);
  for (const { id, cedar, setBy, setAt, confirmedBy } of policies) {
    const author = setBy === null ? 'built in' : `set by ${setBy} at ${setAt ?? '?'}`;
    print(
      `${id} (${author}${confirmedBy === null ? '' : `, confirmed by ${confirmedBy}`}):\n  ${cedar.replaceAll('\n', '\n  ')}`,
    );
  }
  if (policies.length === 0 && errors.length === 0) print('No policy permits it: the default is to deny.');
  for (const { of, attribute, value } of attributes)
    print(
      `looked at: ${of}${attribute === '*' ? '' : `.${attribute}`} = ${value === null ? '(none)' : JSON.stringify(value)}`,
    );
  if (effect === 'forbid')
    print(
      wouldPermit.length === 0
        ? 'Nothing that was tried alone would have permitted it.'
        : `Would have permitted it, each alone:\n${wouldPermit.map((remedy) => `  ${inWords(remedy)}`).join('\n')}`,
    );
  if (recorded !== undefined && (recorded.effect !== effect || recorded.errors.join() !== errors.join()))
    note(`It was recorded as ${recorded.effect}: the service that decided had other built-in policies.`);
}

function inWords(remedy: Explained['wouldPermit'][number]): string {
  switch (remedy.what) {
    case 'role':
      return `the role ${remedy.role}`;
    case 'approvals':
      return `${String(remedy.approvals)} approval${remedy.approvals === 1 ? '' : 's'} by others`;
    case 'break-glass':
      return 'opening its break-glass';
    case 'role-and-break-glass':
      return 'the role break-glass, and opening it';
    case 'without-policies':
      return `without ${remedy.policies.join(' and ')}`;
    case 'active-principal':
      return 'the principal being active, and no kill switch';
  }
}
