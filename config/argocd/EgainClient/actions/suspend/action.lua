-- Stops renewals. The target keeps its token until it expires.
obj.spec.suspend = true
return obj
