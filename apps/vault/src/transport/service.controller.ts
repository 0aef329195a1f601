import {
  certifyChannelKey,
  discardVersion,
  listRotatable,
  prepareVersion,
  promoteVersion,
  revealVersion,
  type RequestOf,
} from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { Rpc } from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import { OPERATIONS, type VaultOperations } from './operations.js';

/** What the mesh's own services ask for: versions for rotations, certificates for channel keys. */
@Controller()
export class ServiceController {
  constructor(@Inject(OPERATIONS) private readonly operations: VaultOperations) {}

  @Rpc(prepareVersion)
  prepareVersion(request: RequestOf<typeof prepareVersion>, call: Call) {
    return this.operations.prepareVersion(request, call);
  }

  @Rpc(promoteVersion)
  promoteVersion(request: RequestOf<typeof promoteVersion>, call: Call) {
    return this.operations.promoteVersion(request, call);
  }

  @Rpc(discardVersion)
  discardVersion(request: RequestOf<typeof discardVersion>, call: Call) {
    return this.operations.discardVersion(request, call);
  }

  @Rpc(revealVersion)
  revealVersion(request: RequestOf<typeof revealVersion>, call: Call) {
    return this.operations.revealVersion(request, call);
  }

  @Rpc(listRotatable)
  listRotatable(request: RequestOf<typeof listRotatable>, call: Call) {
    return this.operations.listRotatable(request, call);
  }

  @Rpc(certifyChannelKey)
  certifyChannelKey(request: RequestOf<typeof certifyChannelKey>, call: Call) {
    return this.operations.certifyChannelKey(request, call);
  }
}
