import fc from 'fast-check';
import type { PolicyRequest } from '@keymesh/contracts';

// Random policies in Cedar's language, well typed or not, and random requests that they may tell apart. From small pools, so that requests
// often agree in what one policy reads and differ in what another does.

type Text = fc.Arbitrary<string>;
const of = (...texts: readonly string[]): Text => fc.constantFrom(...texts);
const join = (template: (...parts: string[]) => string, ...parts: readonly Text[]): Text =>
  fc.tuple(...parts).map((texts) => template(...texts));

export const RANDOM_ACTIONS = ['list', 'describe', 'retrieve', 'store'] as const;
const KINDS = ['credential', 'namespace'] as const;
const NAMES = ['ann', 'bob', 'eve'] as const;

const action = of(...RANDOM_ACTIONS).map((name) => `Keymesh::Action::"${name}"`);
const role = of('reader', 'writer').map((name) => `Keymesh::Role::"${name}"`);
const person = of(...NAMES).map((name) => `Keymesh::Principal::"${name}"`);
const thing = of('Keymesh::Credential::"c1"', 'Keymesh::Credential::"c2"', 'Keymesh::Namespace::"c1"');
const text = of('"red"', '"blue"', '"ann"');
const number = of('1', '2', '50');
const textAttribute = of(
  ...['principal.team', 'principal.environment', 'principal.kind', 'resource.owner', 'resource.namespace'],
  ...['resource.sensitivity', 'context.channel', 'context.purpose'],
);
const numberAttribute = of(
  'context.risk',
  'context.approvals',
  'context.time',
  'context.version',
  'resource.version',
);
const setAttribute = of('principal.labels', 'resource.tags');
const presence = (attribute: string): string => attribute.replace('.', ' has ');

const atoms = fc.oneof(
  join((a, t) => `${presence(a)} && ${a} == ${t}`, textAttribute, text),
  join((a, t) => `${a} == ${t}`, textAttribute, text),
  join((a, b) => `${presence(a)} && ${presence(b)} && ${a} != ${b}`, textAttribute, textAttribute),
  join(
    (a, o, n) => `${presence(a)} && ${a} ${o} ${n}`,
    numberAttribute,
    of('<', '<=', '>', '>=', '=='),
    number,
  ),
  join((a, n) => `${a} + 1 > ${n}`, numberAttribute, number),
  join((a, t) => `${presence(a)} && ${a}.contains(${t})`, setAttribute, text),
  join((a, t) => `${presence(a)} && ${a}.containsAny([${t}, "x"])`, setAttribute, text),
  join((a) => presence(a), fc.oneof(textAttribute, numberAttribute, setAttribute)),
  join((a) => `${presence(a)} && ${a} like "*e*"`, textAttribute),
  join((r) => `principal in ${r}`, role),
  join((r) => `principal in [${r}, Keymesh::Role::"siem"]`, role),
  join((p) => `principal == ${p}`, person),
  join((p, r) => `${p} in ${r}`, person, role),
  join((p, t) => `${p} has team && ${p}.team == ${t}`, person, text),
  join((c) => `resource == ${c}`, thing),
  join((c) => `resource in [${c}]`, thing),
  join((c) => `resource is Keymesh::Credential in ${c}`, thing),
  join((c, t) => `${c} has owner && ${c}.owner == ${t}`, thing, text),
  join((c) => `[principal, resource].contains(${c})`, thing),
  join((a, b) => `{ a: ${presence(a)}, b: resource } == { a: true, b: ${b} }`, textAttribute, thing),
  join((a) => `action == ${a}`, action),
  of(...['resource is Keymesh::Credential', 'principal is Keymesh::Principal', 'true']),
  of(...['context == {"channel": "red"}', 'resource.nothing', 'context has risk.deep']),
  join((r) => `principal is Keymesh::Principal in ${r}`, role),
);

const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atoms,
    join((a, b) => `(${a}) && (${b})`, tie('condition'), tie('condition')),
    join((a, b) => `(${a}) || (${b})`, tie('condition'), tie('condition')),
    join((a) => `!(${a})`, tie('condition')),
    join(
      (a, b, c) => `if (${a}) then (${b}) else (${c})`,
      tie('condition'),
      tie('condition'),
      tie('condition'),
    ),
  ),
}));

const principalScope = fc.oneof(
  of('principal', 'principal is Keymesh::Principal'),
  join((r) => `principal in ${r}`, role),
  join((p) => `principal == ${p}`, person),
  join((r) => `principal is Keymesh::Principal in ${r}`, role),
);
const actionScope = fc.oneof(
  of('action'),
  join((a) => `action == ${a}`, action),
  join((a) => `action in ${a}`, action),
  join((a, b) => `action in [${a}, ${b}]`, action, action),
);
const resourceScope = fc.oneof(
  of('resource', 'resource is Keymesh::Credential', 'resource is Keymesh::Namespace'),
  join((c) => `resource == ${c}`, thing),
  join((c) => `resource in ${c}`, thing),
  join((c) => `resource is Keymesh::Credential in ${c}`, thing),
);

/** The text of a policy that hangs on one thing alone, so that whatever tells requests apart in it shows. */
const plainPolicy: Text = join((a) => `permit(principal, action, resource) when { ${a} };`, atoms);

const wildPolicy: Text = join(
  (effect, ...rest) => {
    const [principal, asked, resource, when, unless] = rest;
    return `${effect}(${principal}, ${asked}, ${resource}) ${when} ${unless};`;
  },
  of('permit', 'permit', 'forbid'),
  principalScope,
  actionScope,
  resourceScope,
  fc.oneof(
    of(''),
    join((c) => `when { ${c} }`, condition),
  ),
  fc.oneof(
    of(''),
    join((c) => `unless { ${c} }`, condition),
  ),
);

/** The texts of some policies. */
export const randomPolicies: fc.Arbitrary<readonly string[]> = fc.oneof(
  fc.array(plainPolicy, { minLength: 1, maxLength: 2 }),
  fc.array(wildPolicy, { maxLength: 5 }),
);

const values = fc.constantFrom('red', 'blue', 'ann');
const optional = { requiredKeys: [] as [] };

/** A request of somebody in some roles, of something, somehow. */
const randomRequest: fc.Arbitrary<PolicyRequest> = fc.record({
  principal: fc.record({
    name: fc.constantFrom(...NAMES),
    kind: fc.constantFrom('service' as const, 'operator' as const),
    roles: fc.subarray(['reader' as const, 'writer' as const]),
    attributes: fc.record({ team: values, environment: values, labels: fc.subarray(['red', 'x']) }, optional),
  }),
  action: fc.constantFrom(...RANDOM_ACTIONS),
  resource: fc.record({
    kind: fc.constantFrom(...KINDS),
    id: fc.constantFrom('c1', 'c2'),
    attributes: fc.record(
      {
        owner: values,
        namespace: values,
        sensitivity: values,
        tags: fc.subarray(['red', 'x']),
        version: fc.constantFrom<string | number>(1, 2, '2'),
      },
      optional,
    ),
  }),
  context: fc.record(
    {
      channel: values,
      purpose: values,
      risk: fc.constantFrom(1, 50, 1.5),
      approvals: fc.constantFrom(0, 1, 2),
      time: fc.constantFrom(1, 50, 51),
      version: fc.constantFrom<string | number | boolean>(1, '1', true),
    },
    optional,
  ),
});

/** Takes one part of a request from another one. */
const PARTS: readonly ((from: PolicyRequest, other: PolicyRequest) => PolicyRequest)[] = [
  (from, { principal: { name } }) => ({ ...from, principal: { ...from.principal, name } }),
  (from, { principal: { roles } }) => ({ ...from, principal: { ...from.principal, roles } }),
  (from, { principal: { kind } }) => ({ ...from, principal: { ...from.principal, kind } }),
  (from, { principal: { attributes = {} } }) => ({ ...from, principal: { ...from.principal, attributes } }),
  (from, { action }) => ({ ...from, action }),
  (from, { resource: { id } }) => ({ ...from, resource: { ...from.resource, id } }),
  (from, { resource: { kind } }) => ({ ...from, resource: { ...from.resource, kind } }),
  (from, { resource: { attributes } }) => ({ ...from, resource: { ...from.resource, attributes } }),
  (from, { context }) => ({ ...from, context }),
  (from, { context }) => ({ ...from, context: { ...from.context, ...context } }),
];

/** Requests that differ from one another in little: what a cache could take for the same. */
export const randomRequests: fc.Arbitrary<readonly PolicyRequest[]> = fc
  .tuple(
    randomRequest,
    fc.array(fc.tuple(fc.constantFrom(...PARTS), randomRequest), { minLength: 5, maxLength: 40 }),
  )
  .map(([first, changes]) => [first, ...changes.map(([change, other]) => change(first, other))]);
