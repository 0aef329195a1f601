import {
  createPrincipal,
  disablePrincipal,
  enablePrincipal,
  enrolPrincipal,
  listPrincipals,
  lockPrincipal,
  unlockPrincipal,
  type RequestOf,
} from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { Rpc } from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import { OPERATIONS, type PolicyOperations } from './operations.js';

/** One line per operation. */
@Controller()
export class PrincipalController {
  constructor(@Inject(OPERATIONS) private readonly operations: PolicyOperations) {}

  @Rpc(createPrincipal)
  createPrincipal(request: RequestOf<typeof createPrincipal>, call: Call) {
    return this.operations.createPrincipal(request, call);
  }

  @Rpc(enrolPrincipal)
  enrolPrincipal(request: RequestOf<typeof enrolPrincipal>, call: Call) {
    return this.operations.enrolPrincipal(request, call);
  }

  @Rpc(listPrincipals)
  listPrincipals(request: RequestOf<typeof listPrincipals>, call: Call) {
    return this.operations.listPrincipals(request, call);
  }

  @Rpc(disablePrincipal)
  disablePrincipal(request: RequestOf<typeof disablePrincipal>, call: Call) {
    return this.operations.disablePrincipal(request, call);
  }

  @Rpc(enablePrincipal)
  enablePrincipal(request: RequestOf<typeof enablePrincipal>, call: Call) {
    return this.operations.enablePrincipal(request, call);
  }

  @Rpc(lockPrincipal)
  lockPrincipal(request: RequestOf<typeof lockPrincipal>, call: Call) {
    return this.operations.lockPrincipal(request, call);
  }

  @Rpc(unlockPrincipal)
  unlockPrincipal(request: RequestOf<typeof unlockPrincipal>, call: Call) {
    return this.operations.unlockPrincipal(request, call);
  }
}
