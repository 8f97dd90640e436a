/** An executor that knows pairs beside all else: the product's own with a kind and an operation registered from outside. */
import * as ExecutorService from "@akave-async/executor/ExecutorService"
import * as Pairs from "@akave-async/executor/test/Pairs"
import * as Service from "@akave-async/platform/Service"
import { Layer } from "effect"

Service.main("executor", ExecutorService.layer.pipe(Layer.provide(Pairs.registered)))
