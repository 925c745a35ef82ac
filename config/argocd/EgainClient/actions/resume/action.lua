-- Renews again.
obj.spec.suspend = nil
return obj
