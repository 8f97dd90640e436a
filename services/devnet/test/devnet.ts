import { ConfigProvider, Effect, Layer } from "effect"
import { HDNodeWallet, Interface, isCallException, Mnemonic, Wallet } from "ethers"
import { Anvil } from "../src/Anvil.ts"
import accessManagerArtifact from "../src/artifacts/AccessManager.json" with { type: "json" }
import storageArtifact from "../src/artifacts/Storage.json" with { type: "json" }

/** The settings of a devnet on free ports, in place of the environment. */
export const settings = (values: Record<string, string> = {}) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown({
    DEVNET_RPC_PORT: "0",
    DEVNET_NODE_PORT: "0",
    DEVNET_BLOCK_TIME: "0.1",
    ...values
  }))

export const withSettings = <A, E, R>(layer: Layer.Layer<A, E, R>, values?: Record<string, string>) =>
  layer.pipe(Layer.provide(settings(values)))

export const developerAccount = (index: number) =>
  HDNodeWallet.fromMnemonic(
    Mnemonic.fromPhrase("test test test test test test test test test test test junk"),
    `m/44'/60'/0'/0/${index}`
  )

export const storageInterface = new Interface(storageArtifact.abi)
export const accessInterface = new Interface(accessManagerArtifact.abi)

/** An account that nobody else uses, with coins. */
export const user = Effect.gen(function*() {
  const { provider, rpc } = yield* Anvil
  const wallet = Wallet.createRandom()
  yield* rpc("anvil_setBalance", [wallet.address, "0xd3c21bcecceda1000000"])
  return new Wallet(wallet.privateKey, provider)
})

export interface Target {
  readonly address: string
  readonly interface: Interface
}

/** Sends a transaction, has it mined at once and gives its receipt. */
export const send = (from: Wallet, to: Target, name: string, parameters: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    return yield* Effect.promise(async () => {
      const sent = await from.sendTransaction({
        to: to.address,
        data: to.interface.encodeFunctionData(name, parameters)
      })
      await provider.send("evm_mine", [])
      const receipt = await sent.wait()
      if (receipt === null) throw new Error("no receipt")
      return receipt
    })
  })

export const call = (from: string, to: Target, name: string, parameters: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    const answer = yield* Effect.promise(() =>
      provider.call({ from, to: to.address, data: to.interface.encodeFunctionData(name, parameters) })
    )
    return to.interface.decodeFunctionResult(name, answer)
  })

/** The revert data of a call that must fail. */
export const revertOf = (from: string, to: Target, name: string, parameters: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const { provider } = yield* Anvil
    return yield* Effect.promise(async () => {
      try {
        await provider.call({ from, to: to.address, data: to.interface.encodeFunctionData(name, parameters) })
      } catch (error) {
        if (isCallException(error)) return error.data
        throw error
      }
      return "no revert"
    })
  })
