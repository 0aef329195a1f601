import { randomUUID } from 'node:crypto';
import type { Role, Statement, TrustRoot } from '@keymesh/contracts';
import { makeSigningKey } from '@keymesh/kernel';
import { foldStatements, signStatement, type Directory } from '@keymesh/policy-engine';
import { createUser } from '@nats-io/nkeys';

export interface DirectorySize {
  readonly principals: number;
  /** Beside the built-in ones. */
  readonly policies: number;
}

/** Principals `p0`, `p1`, … and policies of the same names, as operators sign them. */
export function makeDirectory({ principals, policies }: DirectorySize): Directory {
  const operatorKey = makeSigningKey().key;
  const operators = [{ name: 'operator', channelKey: operatorKey.publicKeyText }];
  const trustRoot: TrustRoot = {
    ...{ v: 1, meshId: randomUUID(), operators },
    meshPublicKey: makeSigningKey().key.publicKeyText,
    bundlePublicKey: makeSigningKey().key.publicKeyText,
  };
  const said = () => ({
    ...{ v: 1 as const, meshId: trustRoot.meshId, statementId: randomUUID() },
    ...{ issuedAt: new Date().toISOString(), issuer: 'operator' },
  });
  const grant = (
    principal: string,
    kind: 'operator' | 'service',
    role: Role,
    channelKey: string,
  ): Statement => ({
    ...said(),
    ...{ type: 'principal.granted', principal, kind, roles: [role], channelKey },
    nkey: createUser().getPublicKey(),
  });
  const policy = (n: number): Statement => ({
    ...said(),
    ...{
      type: 'policy.set',
      policyId: `p${String(n)}`,
      cedar: policyText(n),
      twoPerson: false,
      basedOn: null,
    },
  });
  const statements = [
    grant('operator', 'operator', 'operator', operatorKey.publicKeyText),
    ...Array.from({ length: principals }, (_, n) =>
      grant(
        `p${String(n)}`,
        'service',
        n % 2 === 0 ? 'reader' : 'writer',
        makeSigningKey().key.publicKeyText,
      ),
    ),
    ...Array.from({ length: policies }, (_, n) => policy(n)),
  ];
  return foldStatements(
    trustRoot,
    statements.map((statement) => signStatement(statement, operatorKey)),
  );
}

/** Most are about one team and namespace, some about single principals, some forbid. */
function policyText(n: number): string {
  const namespace = `resource has namespace && resource.namespace == "ns-${String(n)}"`;
  const read = 'action in [Keymesh::Action::"retrieve", Keymesh::Action::"describe"]';
  const on = 'resource is Keymesh::Credential';
  switch (n % 10) {
    case 1:
      return `forbid(principal, ${read}, ${on}) when { resource has sensitivity && resource.sensitivity == "s${String(n)}" };`;
    case 2:
      return `permit(principal == Keymesh::Principal::"p${String(n)}", ${read}, ${on}) when { ${namespace} };`;
    default:
      return `permit(principal, ${read}, ${on}) when { principal has team && principal.team == "team-${String(n % 50)}" && ${namespace} };`;
  }
}
