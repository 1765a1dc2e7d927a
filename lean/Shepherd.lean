import Shepherd.Event
import Shepherd.Expr
import Shepherd.Fault
import Shepherd.Limits
import Shepherd.Program
import Shepherd.Value
