import * as Service from "@akave-async/platform/Service"
import * as ExecutorService from "./ExecutorService.ts"

Service.main("executor", ExecutorService.layer)
