// docs/reference/policy.md: the schema and the built-in policies as the code has them, and examples, each checked as `policy put` checks it.
import { formatPolicies } from '@cedar-policy/cedar-wasm/nodejs';
import { MAX_POLICY_CHARS } from '@keymesh/contracts';
import { BUILT_IN_POLICIES, CEDAR_SCHEMA, checkPolicy, tellProblem } from '@keymesh/policy-engine';

const CONTEXT = [
  ['channel', '`encrypted`, or `plain` for a request without the channel (embedded mode)'],
  ['service', 'the service that decides: `vault`, `rotation`, `anomaly-detector`; absent: policy, audit'],
  [
    'network',
    'the block from which a client asks, a /24 or a /48 of IPv6; absent where the NATS server does not say',
  ],
  ['time', 'when the request came, by the clock of the service that decides: seconds since the Unix epoch'],
  ['purpose', 'what the asker says it wants a value for: a label, and a claim. Of retrieve and leases'],
  ['version', 'the version that was named, if one was'],
  ['stage', '`current` or `previous`, if one was named'],
  ['approvals', 'how many others have approved exactly this request; absent: none'],
  [
    'contentHash',
    'SHA-256 of what is to be written, of requests that write policies or principals: an approval is of exactly that',
  ],
  ['risk', 'the score of the principal by the anomaly detector, 0 to 100; absent where there is none'],
];

const EXAMPLES = [
  [
    'A team reads its own namespace, without a role',
    `permit(
  principal,
  action in [Keymesh::Action::"list", Keymesh::Action::"describe", Keymesh::Action::"retrieve"],
  resource
) when {
  principal has team && principal.team == "payments" &&
  resource has namespace && resource.namespace == "billing"
};`,
  ],
  [
    'Whoever holds the label `tier=trial` gets nothing of production',
    `forbid(principal, action, resource) when {
  principal has labels && principal.labels.contains("tier=trial") &&
  resource has namespace && resource.namespace == "prod"
};`,
  ],
  [
    'Critical values leave with two approvals only, and two persons change this',
    `@id("critical-needs-two")
@twoPerson("true")
forbid(
  principal,
  action in [Keymesh::Action::"retrieve", Keymesh::Action::"lease.issue", Keymesh::Action::"export"],
  resource is Keymesh::Credential
) when {
  resource has sensitivity && resource.sensitivity == "critical"
} unless {
  context has approvals && context.approvals >= 2
};`,
  ],
  [
    'Production is read from the production network, for a purpose that is named',
    `forbid(principal, action == Keymesh::Action::"retrieve", resource) when {
  resource has namespace && resource.namespace == "prod"
} unless {
  context has network && context.network.isInRange(ip("10.1.0.0/16")) &&
  context has purpose
};`,
  ],
  [
    'A contractor until the end of a day (1798761600 is 2027-01-01T00:00:00Z)',
    `permit(
  principal == Keymesh::Principal::"contractor",
  action in [Keymesh::Action::"describe", Keymesh::Action::"retrieve"],
  resource is Keymesh::Credential
) when {
  resource has tags && resource.tags.contains("migration") &&
  context has time && context.time < 1798761600
};`,
  ],
  [
    'One policy is written by one person only',
    `forbid(
  principal,
  action == Keymesh::Action::"policy.write",
  resource == Keymesh::Policy::"critical-needs-two"
) unless {
  principal in Keymesh::Role::"security-admin"
};`,
  ],
];

const formatted = (policyText) => {
  const answer = formatPolicies({ policyText, lineWidth: 110, indentWidth: 2 });
  if (answer.type === 'failure') throw new Error(`a policy does not format: ${policyText}`);
  return answer.formatted_policy.trim();
};

/** Words of a list, as many on a line as fit. */
function wrapped(words, indent) {
  const lines = [''];
  for (const word of words) {
    const last = lines.length - 1;
    if (lines[last].length + word.length > 100) lines.push(`${word}, `);
    else lines[last] += `${word}, `;
  }
  return lines
    .map((line) => `${indent}${line.trimEnd()}`)
    .join('\n')
    .replace(/,$/, '');
}

const schema = () =>
  CEDAR_SCHEMA.trim().replace(
    /( +)action (.*) appliesTo/,
    (_, indent, actions) =>
      `${indent}action\n${wrapped(actions.split(', '), `${indent}  `)}\n${indent}appliesTo`,
  );

function example([title, cedar], at) {
  const problems = checkPolicy({ id: `example-${at + 1}`, cedar });
  if (problems.length > 0) throw new Error(problems.map(tellProblem).join('\n'));
  return `**${title}**\n\n\`\`\`cedar\n${cedar}\n\`\`\``;
}

export const policyPage = (note) => `# Policies

${note.replace('`libs/contracts`', '`libs/policy-engine`')}

Who may what is decided by policies in the language [Cedar](https://docs.cedarpolicy.com), inside every service, by the signed bundle that it holds. Nothing is permitted
unless a policy permits it; a forbid wins over every permit; **a policy that errs denies**. How they are written and changed:
[operations/policies.md](../operations/policies.md).

## What a policy is

- One static policy a text (no template), at most ${MAX_POLICY_CHARS.toLocaleString('en')} characters. Its id is up to 63 of \`a-z 0-9 . -\`; decisions and records name it
  \`policy.<id>\`, a built-in one by its own name.
- \`@id("…")\` in a file names it, else the file's name does. \`@twoPerson("true")\` marks it: every change of it waits for a second person, taking
  the mark away included. The mark is part of the signed statement; a text that says otherwise is refused.
- It is checked in Cedar's strict mode against the schema below before it is taken. Almost every attribute is optional: test it with \`has\` first, or the policy is refused.
  What can never apply, and letters made to be mistaken for others, are refused too. What is left that can err (an integer that overflows) denies.
- Who signs one is an operator or a security administrator. It may permit what no role does, to whomever it names; it cannot give a role, and to a security administrator no
  policy gives a value.

## Schema

\`\`\`cedarschema
${schema()}
\`\`\`

A principal is \`Keymesh::Principal::"<name>"\` in a \`Keymesh::Role\` for each role; it is \`Keymesh::PrincipalRecord\` where something is done to it. Credentials and what else has an id are named
by it, never by name. What does not exist (yet) is decided as its namespace. A label of a principal is one string, \`key=value\`. \`expiresAt\` is in seconds since the Unix epoch.

## Context

| attribute | what it is |
| --- | --- |
${CONTEXT.map(([name, what]) => `| \`${name}\` | ${what} |`).join('\n')}

A decision that reads \`time\` (or compares the whole context) is made anew each time; every other one is kept until the next bundle. That goes by action and kind of resource: a policy on the
time of \`delete\` leaves \`retrieve\` as quick as it was.

## Roles

Roles are policies too, part of the release and the same in every mesh: \`keymesh policy list --built-in\`. Operators' policies stand beside them; no bundle can add to them. \`plain-reply\` is
about the transport and permits nothing.

${BUILT_IN_POLICIES.map(({ id, cedar }) => `\`${id}\`\n\n\`\`\`cedar\n${formatted(cedar)}\n\`\`\``).join('\n\n')}

## Examples

${EXAMPLES.map(example).join('\n\n')}
`;
