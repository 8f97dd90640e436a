/** Content types of files. */
import mime from "mime/lite"

/** The content type of a file by its name; `application/octet-stream` where the name says nothing. */
export const contentTypeOf = (name: string): string => mime.getType(name) ?? "application/octet-stream"
