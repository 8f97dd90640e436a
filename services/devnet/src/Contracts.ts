import { Context, Effect, Layer, Schema } from "effect"
import { ContractFactory, getCreateAddress, Interface, type TransactionRequest, Wallet } from "ethers"
import { Anvil } from "./Anvil.ts"
import accessManagerArtifact from "./artifacts/AccessManager.json" with { type: "json" }
import storageArtifact from "./artifacts/Storage.json" with { type: "json" }
import { deployerKey } from "./DevnetAccounts.ts"
import * as EarlierContracts from "./EarlierContracts.ts"

export class OtherContracts extends Schema.TaggedError<OtherContracts>()("OtherContracts", {
  contractName: Schema.String,
  address: Schema.String
}) {
  override readonly message =
    `The kept chain has something else at ${this.address} than this version's ${this.contractName} contract: ` +
    `begin a new chain by emptying DEVNET_DATA_DIR`
}
export class DeploymentFailed extends Schema.TaggedError<DeploymentFailed>()("DeploymentFailed", {
  step: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `The contracts could not be deployed: ${this.step} failed`
}

/**
 * The Storage and AccessManager contracts, deployed once and found again on a kept chain. There, the code of an earlier
 * release is replaced by this one's.
 */
export class Contracts extends Context.Service<Contracts, {
  readonly storageAddress: string
  readonly accessAddress: string
}>()("@akave-async/devnet/Contracts") {
  static readonly layer = Layer.effect(
    Contracts,
    Effect.gen(function*() {
      const { provider, rpc, withoutBlocks } = yield* Anvil
      const deployer = new Wallet(deployerKey, provider)
      // Addresses follow from the deployer and its nonces alone, so every fresh devnet has the same ones.
      const storageAddress = getCreateAddress({ from: deployer.address, nonce: 0 })
      const accessAddress = getCreateAddress({ from: deployer.address, nonce: 1 })
      const storage = new Interface(storageArtifact.abi)

      const attempt = <A>(step: string, run: () => Promise<A>) =>
        Effect.tryPromise({ try: run, catch: (cause) => new DeploymentFailed({ step, cause }) })

      /** Each step is mined at once; the block time does not slow the start. */
      const send = (step: string, transaction: TransactionRequest) =>
        attempt(step, async () => {
          const sent = await deployer.sendTransaction(transaction)
          await provider.send("evm_mine", [])
          await sent.wait()
        })

      const deploy = Effect.fnUntraced(function*(
        artifact: typeof storageArtifact | typeof accessManagerArtifact,
        address: string,
        nonce: number,
        parameters: ReadonlyArray<string>
      ) {
        const { contractName } = artifact
        const step = `deploying ${contractName}`
        const code = yield* attempt(step, () => provider.getCode(address))
        if (code === artifact.deployedBytecode) return
        const isRenewed = yield* withoutBlocks(EarlierContracts.renew(rpc, address, code, artifact)).pipe(
          Effect.mapError((cause) => new DeploymentFailed({ step: `renewing ${contractName}`, cause }))
        )
        if (isRenewed) return
        const used = yield* attempt(step, () => provider.getTransactionCount(deployer.address))
        if (code !== "0x" || used !== nonce) return yield* new OtherContracts({ contractName, address })
        const transaction = yield* attempt(
          step,
          () => new ContractFactory(artifact.abi, artifact.bytecode).getDeployTransaction(...parameters)
        )
        yield* send(step, { ...transaction, nonce })
      })

      yield* deploy(storageArtifact, storageAddress, 0, [])
      yield* deploy(accessManagerArtifact, accessAddress, 1, [storageAddress])

      const step = "setting the access manager"
      const answer = yield* attempt(
        step,
        () => provider.call({ to: storageAddress, data: storage.encodeFunctionData("accessManager") })
      )
      if (storage.decodeFunctionResult("accessManager", answer)[0] !== accessAddress) {
        yield* send(step, { to: storageAddress, data: storage.encodeFunctionData("setAccessManager", [accessAddress]) })
      }
      return Contracts.of({ storageAddress, accessAddress })
    })
  )
}
