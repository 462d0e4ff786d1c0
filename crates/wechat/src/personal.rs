//! Types that hold something personal do not show it: whatever is logged of them by an oversight names nobody and says
//! nothing of what a user is told.

/// Implements `Debug` for a struct. Of the fields after the semicolon it shows only that they are there.
///
/// ```
/// struct Letter {
///     to: &'static str,
///     stamps: u8,
/// }
/// hongyan_wechat::debug_without!(Letter: stamps; to);
///
/// let letter = Letter { to: "oDemo5eedc0ffee0000000000001", stamps: 2 };
/// assert_eq!(format!("{letter:?}"), "Letter { stamps: 2, to: … }");
/// ```
#[macro_export]
macro_rules! debug_without {
    ($type:ty: $($shown:ident),*; $($hidden:ident),+) => {
        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let mut shown = f.debug_struct(::std::stringify!($type));
                $(shown.field(::std::stringify!($shown), &self.$shown);)*
                $(shown.field(::std::stringify!($hidden), &::std::format_args!("…"));)+
                shown.finish()
            }
        }
    };
}
